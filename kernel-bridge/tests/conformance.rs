//! One-to-one on the host passes what every executor has to pass.
#![cfg(feature = "std")]

use exec_core::Handle;
use kernel_bridge::{Host, OneToOne};

exec_core::conformance!(one_to_one, || Handle::new(OneToOne::<Host>::new())
    .into_dyn());
