"""The page that a patient takes home: what was planned with them, whom to call, and how to join their meetings. It is
made when it is read and stored nowhere."""
