"""The dashboard's pages, one module each, named as the navigation or the URL names them."""
