"""Report folders go out: by mail, once per recipient. It sees files, never the warehouse."""
