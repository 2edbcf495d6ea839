"""LiquidFeedback as a Debian package: from checked archives, by Debian's own tools, in a disposable lab host."""
