"""A laboratory that stands in for yours: it takes orders (OML^O21) over MLLP, answers them (ORL^O22), and reports what
it found (ORU^R01) under the order's number. Everything in it is made up, and nothing of it outlives the process."""
