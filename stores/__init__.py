"""The databases that hold the truth, behind one port (`stores.base`)."""
