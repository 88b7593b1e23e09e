"""What is made from solutions/: stubs, and the modules that hold known mistakes."""
