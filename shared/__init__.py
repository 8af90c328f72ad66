"""What all services share: the words (contract), the rules, the one path a word takes, and the HTTP edge."""
