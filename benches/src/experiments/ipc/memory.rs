//! Two rings in shared memory, one each way, of as many bytes as a pipe has.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, bail};
use kernel_bridge::Host;
use kernel_bridge::ipc::{HostRegion, HostSemaphore, Ring, RingParts};

use super::link::{End, Far};

/// Places of 4 KiB: 64 KiB in all.
const PLACES: usize = 16;

/// An end: a ring to send on, and one to receive from.
pub(super) struct Rings {
    to: Ring<Host>,
    from: Ring<Host>,
}

impl Rings {
    pub(super) fn make() -> anyhow::Result<(Box<dyn End>, Far)> {
        let ring = || -> anyhow::Result<_> {
            let parts = RingParts::new(Host, PLACES)?;
            let all = [parts.region.as_fd(), parts.free.as_fd(), parts.used.as_fd()];
            let words = all.map(path);
            Ok((Ring::new(parts), words))
        };
        let ((to, theirs), (from, back)) = (ring()?, ring()?);
        let far = Far {
            // What the near end sends on is what the far one receives from.
            words: [back, theirs].concat(),
            ..Far::default()
        };
        Ok((Box::new(Self { to, from }), far))
    }

    pub(super) fn open(words: &[String]) -> anyhow::Result<Self> {
        let [to @ .., _, _, _] = words else {
            bail!("six descriptors are needed");
        };
        Ok(Self {
            to: ring(to)?,
            from: ring(&words[to.len()..])?,
        })
    }
}

/// Where any process of this user finds a descriptor of this one.
fn path(descriptor: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), descriptor.as_raw_fd())
}

fn ring(words: &[String]) -> anyhow::Result<Ring<Host>> {
    let [region, free, used] = words else {
        bail!("three descriptors make a ring");
    };
    let open = |path: &String| -> anyhow::Result<OwnedFd> {
        let file = File::options().read(true).write(true).open(path);
        Ok(file
            .with_context(|| format!("could not open {path}"))?
            .into())
    };
    Ok(Ring::new(RingParts {
        region: HostRegion::from_descriptor(open(region)?)?,
        free: HostSemaphore::from_descriptor(open(free)?)?,
        used: HostSemaphore::from_descriptor(open(used)?)?,
    }))
}

impl End for Rings {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        Ok(self.to.send(message)?)
    }

    fn receive(&mut self, message: &mut [u8]) -> anyhow::Result<()> {
        Ok(self.from.receive(message)?)
    }
}
