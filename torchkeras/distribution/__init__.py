"""Who this process is among those that train together, and sums over them."""
