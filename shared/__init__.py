"""What all services share: the events (contract), the rules, the one path an event takes, and the HTTP edge."""
