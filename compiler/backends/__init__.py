"""Jobs become the files of a workflow system, one package a system."""
