"""What the app decides: uploads, their inspection, the library."""
