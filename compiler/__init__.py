"""The compiler: three representations, what reads them, what turns one into the next."""
