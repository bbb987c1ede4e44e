"""What operators decide: shapes, and the changes that they make of them."""
