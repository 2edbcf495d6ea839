"""Upgrades of LiquidFeedback: package and schema together."""
