"""What the product does. No Flask in here: routes call these modules, and they call stores and columns."""
