//! What the machine, or the container's share of it, gives: CPUs and memory.
//!
//! The standard library's `available_parallelism` rounds a CPU quota down (1.5 CPUs are 1) and knows nothing of
//! memory, so the kernel's files are read here: cgroup v2, then v1, each up to its root because a limit of any
//! ancestor binds, and the machine's own figures as the upper bound.

use std::fs;
use std::path::{Path, PathBuf};

/// CPUs and memory this process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// CPUs, the quota rounded up; at least 1.
    pub cpus: usize,
    /// Bytes of memory; at least 1.
    pub memory_bytes: u64,
}

/// Assumed where the kernel does not say: no Linux, or no /proc.
const FALLBACK_MEMORY_BYTES: u64 = 1 << 30;

impl Machine {
    /// Reads /proc and /sys once.
    #[must_use]
    pub fn detect() -> Self {
        Self::read(Path::new("/"))
    }

    fn read(root: &Path) -> Self {
        let groups = control_groups(root);
        let allowed = allowed_cpus(root)
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let quota = groups.iter().filter_map(|group| cpu_quota(group)).fold(f64::INFINITY, f64::min);
        let cpus = if quota < allowed as f64 { quota.ceil() as usize } else { allowed };
        let limit = groups.iter().filter_map(|group| memory_limit(group)).min();
        let total = total_memory(root).unwrap_or(FALLBACK_MEMORY_BYTES);
        Self { cpus: cpus.max(1), memory_bytes: limit.unwrap_or(total).min(total).max(1) }
    }
}

/// The folders of every control group this process is in, and of their ancestors. Inside a container the path may be
/// the host's, which is not mounted: folders that are missing are simply not read.
fn control_groups(root: &Path) -> Vec<PathBuf> {
    let mount = root.join("sys/fs/cgroup");
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut folders = Vec::new();
    for line in memberships.lines() {
        // hierarchy:controllers:path; v2 names no controllers and is mounted at the root.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let base = match controllers.split(',').find(|name| matches!(*name, "cpu" | "memory")) {
            Some(controller) => mount.join(controller),
            None if controllers.is_empty() => mount.clone(),
            None => continue,
        };
        for ancestor in Path::new(path.trim_start_matches('/')).ancestors() {
            folders.push(base.join(ancestor));
        }
    }
    folders
}

fn read_number(file: &Path) -> Option<f64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// CPUs of a group's quota: v2's `cpu.max` ("150000 100000" or "max 100000"), v1's pair (-1 is no quota).
fn cpu_quota(group: &Path) -> Option<f64> {
    let (quota, period) = match fs::read_to_string(group.join("cpu.max")) {
        Ok(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        }
        Err(_) => (read_number(&group.join("cpu.cfs_quota_us"))?, read_number(&group.join("cpu.cfs_period_us"))?),
    };
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// Bytes of a group's limit: v2's `memory.max` (a number or "max"), v1's (a number near 2^63 is no limit).
fn memory_limit(group: &Path) -> Option<u64> {
    let text = fs::read_to_string(group.join("memory.max"))
        .or_else(|_| fs::read_to_string(group.join("memory.limit_in_bytes")))
        .ok()?;
    text.trim().parse().ok()
}

/// How many CPUs the process may run on: the bits of `Cpus_allowed` in /proc/self/status.
fn allowed_cpus(root: &Path) -> Option<usize> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let bits: u32 = mask.chars().filter_map(|digit| digit.to_digit(16)).map(u32::count_ones).sum();
    (bits > 0).then_some(bits as usize)
}

fn total_memory(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn machine(files: &[(&str, &str)]) -> Machine {
        let root = tempfile::tempdir().unwrap();
        let basics = [
            ("proc/self/status", "Name:\tx\nCpus_allowed:\tff,ffffffff\n"),
            ("proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n"),
        ];
        for (path, text) in basics.iter().chain(files) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Machine::read(root.path())
    }

    #[test]
    fn the_lowest_limit_of_any_ancestor_binds() {
        type Case<'a> = (&'a [(&'a str, &'a str)], usize, u64);
        let cases: [Case<'_>; 6] = [
            (&[], 40, 8 * GIB),
            // v2 in a namespace of its own: 1.5 CPUs are two threads.
            (
                &[
                    ("proc/self/cgroup", "0::/\n"),
                    ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
                    ("sys/fs/cgroup/memory.max", "536870912\n"),
                ],
                2,
                GIB / 2,
            ),
            // v2, the ancestor's limit is the lower.
            (
                &[
                    ("proc/self/cgroup", "0::/pod/app\n"),
                    ("sys/fs/cgroup/pod/cpu.max", "30000 100000\n"),
                    ("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n"),
                    ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
                    ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
                ],
                1,
                GIB,
            ),
            // v1, whose path is the host's and not mounted; its root is.
            (
                &[
                    ("proc/self/cgroup", "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n1:pids:/docker/abc\n"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
                ],
                2,
                2 * GIB,
            ),
            // v1 without limits.
            (
                &[
                    ("proc/self/cgroup", "3:cpu:/\n2:memory:/\n"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                40,
                8 * GIB,
            ),
            // Files that say nothing of use.
            (
                &[
                    ("proc/self/cgroup", "what\n0::/\n"),
                    ("sys/fs/cgroup/cpu.max", "\n"),
                    ("sys/fs/cgroup/memory.max", ""),
                ],
                40,
                8 * GIB,
            ),
        ];
        for (files, cpus, memory_bytes) in cases {
            assert_eq!(machine(files), Machine { cpus, memory_bytes }, "{files:?}");
        }
        let here = Machine::detect();
        assert!(here.cpus >= 1 && here.memory_bytes > 1 << 20, "{here:?}");
    }
}
