"""Disposable Debian hosts on this machine."""

from ops.lab.lab import Host, Lab

__all__ = ["Host", "Lab"]
