"""What the rig that ends `restante fetch` in the middle is made of: `fetch_crash.py` says what it does."""
