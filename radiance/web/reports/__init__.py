"""Reports that are one HTML file each and need neither service nor network."""
