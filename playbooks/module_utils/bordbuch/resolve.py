"""Which packages to which exact versions: apt's own resolver, asked in process, never allowed to remove."""

from __future__ import annotations

from typing import Any

import apt_pkg


class Resolver:
    """The package cache of this host and apt's answers to what if."""

    def __init__(self) -> None:
        apt_pkg.init()
        apt_pkg.config.set("APT::Install-Recommends", "false")
        self.cache = apt_pkg.Cache(None)
        self.depcache = apt_pkg.DepCache(self.cache)
        self.records = apt_pkg.PackageRecords(self.cache)
        self.asked = False
        self.sources = apt_pkg.SourceList()
        self.sources.read_main_list()

    def upgradable(self) -> list[tuple[Any, Any]]:
        """Return (package, candidate version) of every installed package for which there is a newer candidate."""
        installed = (package for package in self.cache.packages if package.current_ver)
        ordered = sorted(
            installed, key=lambda package: str(package.get_fullname(False))
        )  # the cache's own order is by hash
        pairs = ((package, self.depcache.get_candidate_ver(package)) for package in ordered)
        return [(package, version) for package, version in pairs if version and newer(version, package.current_ver)]

    def targets(self, selection: str) -> list[tuple[Any, Any]]:
        """Return (package, wanted version) under *selection*: ``all``, or ``security``: the newest from a security archive."""
        pairs = self.upgradable()
        if selection == "all":
            return pairs
        wanted = ((package, security_version(package, candidate)) for package, candidate in pairs)
        return [(package, version) for package, version in wanted if version]

    def mark(self, wanted: list[tuple[Any, Any]]) -> list[str]:
        """Mark *wanted* for installation and return why that cannot be, empty if it can: what would go or stay broken."""
        if self.asked:  # a fresh one is clean, and cleaning takes as long as opening
            self.depcache.init()
        self.asked = True
        with apt_pkg.ActionGroup(self.depcache):
            for package, version in wanted:
                self.depcache.set_candidate_ver(package, version)
            for package, _version in wanted:
                self.depcache.mark_install(package, True, False)
        going = self.cache.packages if self.depcache.del_count else []
        removed = [package.get_fullname(True) for package in going if self.depcache.marked_delete(package)]
        missed = [p.get_fullname(True) for p, v in wanted if not self._comes(p, v)]
        broken = ["dependencies would be broken"] if self.depcache.broken_count else []
        return [f"would remove {name}" for name in removed] + broken + [f"{name} would not come" for name in missed]

    def _comes(self, package: Any, version: Any) -> bool:
        return bool(
            (self.depcache.marked_install(package) or self.depcache.marked_upgrade(package))
            and self.depcache.get_candidate_ver(package) == version
        )

    def solve(self, wanted: list[tuple[Any, Any]]) -> list[dict[str, str]]:
        """Mark as many of *wanted* as go without a removal and return what is kept back, with the reason."""
        if not self.mark(wanted):
            return []
        accepted: list[tuple[Any, Any]] = []
        kept_back = []
        for pair in wanted:
            objections = self.mark([*accepted, pair])
            if objections:
                kept_back.append({"name": pair[0].get_fullname(True), "detail": "; ".join(objections)})
            else:
                accepted.append(pair)
        self.mark(accepted)
        return kept_back

    def changes(self, marked: list[Any]) -> list[dict[str, object]]:
        """Return what is *marked*, one row per package, sorted by name and architecture."""
        rows = [self.describe(package, self.depcache.get_candidate_ver(package)) for package in marked]
        return sorted(rows, key=lambda row: (str(row["name"]), str(row["architecture"])))

    def source_versions(self, marked: list[Any]) -> dict[str, str]:
        """Return, by name of each *marked* package, its source package and that one's version."""
        return {
            package.name: self._source(package.name, self.depcache.get_candidate_ver(package)) for package in marked
        }

    def _source(self, name: str, version: Any) -> str:
        self.records.lookup(best_entry(version))
        return f"{self.records.source_pkg or name} {self.records.source_ver or version.ver_str}"

    def marked(self) -> list[Any]:
        """Return the packages that are marked now to be installed or upgraded."""
        return [p for p in self.cache.packages if self.depcache.marked_install(p) or self.depcache.marked_upgrade(p)]

    def growth(self, marked: list[Any]) -> tuple[int, int, int]:
        """Return for what is *marked*, in bytes: how much the file system grows, the largest package, what is to download."""
        sizes = [self.depcache.get_candidate_ver(package).installed_size for package in marked]
        return max(0, self.depcache.usr_size), max(sizes, default=0), self.depcache.deb_size

    def describe(self, package: Any, version: Any) -> dict[str, object]:
        """Return the exact identity of *version*: what is approved, and compared before anything is unpacked."""
        entry = best_entry(version)
        self.records.lookup(entry)
        origin = entry[0]
        return {
            "name": package.name,
            "architecture": version.arch,
            "from_version": package.current_ver.ver_str if package.current_ver else None,
            "to_version": version.ver_str,
            "origin": origin.label or origin.origin,
            "archive": origin.archive or origin.codename,
            "file": cache_file(package.name, version.ver_str, version.arch),
            "sha256": self.records.hashes.find("SHA256").hashvalue,
            "size_bytes": version.size,
            "security": is_security(version),
        }


def cache_file(name: str, version: str, architecture: str) -> str:
    """Return the file name that apt gives a package in its cache (a colon is quoted)."""
    return f"{name}_{version.replace('%', '%25').replace(':', '%3a')}_{architecture}.deb"


def newer(version: Any, than: Any) -> bool:
    """Return whether *version* is newer than the version *than*."""
    return bool(apt_pkg.version_compare(version.ver_str, than.ver_str) > 0)


def from_security(file: Any) -> bool:
    """Return whether a package index is a security archive: by its Release file's label or suite, never by its address."""
    return bool(file.label == "Debian-Security" or (file.archive or "").endswith("-security"))


def is_security(version: Any) -> bool:
    """Return whether a security archive offers *version*."""
    return any(from_security(file) for file, _index in version.file_list)


def best_entry(version: Any) -> Any:
    """Return the (index, place in it) that *version* is taken from: a security archive before any other archive."""
    offered = [entry for entry in version.file_list if entry[0].index_type != "Debian dpkg status file"]
    return next((entry for entry in offered if from_security(entry[0])), offered[0])


def security_version(package: Any, candidate: Any) -> Any:
    """Return the newest version up to *candidate* that a security archive offers and that is newer than what is installed."""
    offered = [
        version
        for version in package.version_list
        if is_security(version) and newer(version, package.current_ver) and not newer(version, candidate)
    ]
    return max(offered, key=lambda version: _Order(version.ver_str), default=None)


class _Order:
    """Debian's order of versions, for max()."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __gt__(self, other: _Order) -> bool:
        return bool(apt_pkg.version_compare(self.text, other.text) > 0)

    def __lt__(self, other: _Order) -> bool:
        return other > self


def is_held(package: Any) -> bool:
    """Return whether an operator has put *package* on hold."""
    return bool(package.selected_state == apt_pkg.SELSTATE_HOLD)
