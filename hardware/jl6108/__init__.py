"""The Ethernet switch chip JL6108: its registers, the bridge that reaches them over I2C, and what we read from it."""
