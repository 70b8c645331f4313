//! The memory of a unit: what this process and the units' processes have grown by.
//!
//! A process's memory is its share of what it has in memory (a page of two processes counts half
//! for each), and its page tables. The kernel's own words about a thread or a process, some tens of
//! KiB each, are in neither, and no system tells whose they are.

use std::collections::HashMap;

use anyhow::Context as _;
use procfs::process::Process;
use record::{Reading, metric};

use super::kind::{Look, Units};

/// Measures a unit's memory while so many wait.
pub(super) fn measure(maker: &mut dyn Units, units: u64) -> anyhow::Result<Reading> {
    let mut growth = Growth::default();
    maker.hold(units, &mut growth)?;
    let before = growth.before.context("nobody looked before")?;
    let during = growth.during.context("nobody looked meanwhile")?;
    let grown = during.saturating_sub(before) as f64;
    Ok(Reading::default().with(&metric::MEMORY, grown / units as f64))
}

#[derive(Debug, Default)]
struct Growth {
    before: Option<u64>,
    during: Option<u64>,
}

impl Look for Growth {
    fn before(&mut self) -> anyhow::Result<()> {
        // Twice: what the first look itself has allocated is there for the second.
        footprint(&Process::myself()?)?;
        self.before = Some(footprint(&Process::myself()?)?);
        Ok(())
    }

    fn during(&mut self, processes: &[i32]) -> anyhow::Result<()> {
        let mut all = footprint(&Process::myself()?)?;
        for id in processes {
            let process = Process::new(*id).context("a unit's process has ended")?;
            all += footprint(&process)?;
        }
        self.during = Some(all);
        Ok(())
    }
}

/// The memory of a process, in bytes.
fn footprint(process: &Process) -> anyhow::Result<u64> {
    let status = process
        .status()
        .context("could not read a process's status")?;
    let rollup = process
        .smaps_rollup()
        .context("could not read a process's memory")?;
    let maps = &rollup.memory_map_rollup;
    let share = maps.iter().next().map(|map| &map.extension.map);
    let resident = share
        .and_then(proportional)
        .context("the system does not say a process's share of its memory")?;
    Ok(resident + status.vmpte.unwrap_or(0) * 1024)
}

/// A process's share of its pages.
fn proportional(fields: &HashMap<String, u64>) -> Option<u64> {
    fields.get("Pss").copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_shows() {
        const BYTES: usize = 64 << 20;
        struct Held;
        impl Units for Held {
            fn make(&mut self, _: u64) -> anyhow::Result<()> {
                Ok(())
            }
            fn hold(&mut self, units: u64, look: &mut dyn Look) -> anyhow::Result<()> {
                look.before()?;
                let held = std::hint::black_box(vec![1_u8; BYTES * usize::try_from(units)?]);
                look.during(&[])?;
                drop(held);
                Ok(())
            }
        }
        let reading = measure(&mut Held, 2).expect("readable");
        let (name, bytes) = &reading.figures[0];
        assert_eq!(name, metric::MEMORY.name);
        // Other tests of this process allocate and free meanwhile, but not that much.
        let off = (bytes / BYTES as f64 - 1.0).abs();
        assert!(off < 0.3, "{bytes}");
    }
}
