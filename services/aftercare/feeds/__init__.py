"""The public feeds of mutual-help meetings: fetched whole, trusted or not, stored, and the snapshot lists are chosen
from. Nothing about a patient leaves."""
