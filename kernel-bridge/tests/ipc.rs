//! Linux passes what every ground's IPC has to pass.
#![cfg(all(feature = "std", target_os = "linux"))]

use exec_core::Handle;
use kernel_bridge::ipc::conformance;
use kernel_bridge::{Host, OneToOne};

#[test]
fn conformance_of_the_host() {
    let handle = Handle::new(OneToOne::<Host>::new()).into_dyn();
    let count = conformance::run_all(Host, &handle, &mut |name| println!("{name}"));
    assert!(count >= 12);
}
