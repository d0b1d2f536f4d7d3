"""One reader a layout: from a folder of files to ``KnowledgeGraphs``."""
