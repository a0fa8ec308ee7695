"""What feedback does: reads profiles, asks customers, works on complaints."""
