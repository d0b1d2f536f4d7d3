"""Training and evaluation of completion methods; settings, loop and results of their own."""
