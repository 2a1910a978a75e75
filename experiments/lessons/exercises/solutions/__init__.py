"""The exercises with their answers, one a file; what a student gets is cut out of them."""
