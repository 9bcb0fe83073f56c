"""The numbers page: charts that are drawn here, as SVG, and that can be read, seen as tables and downloaded."""
