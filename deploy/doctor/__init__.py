"""What `iop doctor` asks of a hub, and what it makes of the answers: `asking` gathers `Facts`, `checks` judges them."""
