//! Time on any model.

use core::{future::Future, pin::pin, task::Context, time::Duration};

use super::{Config, Make, Outcome};
use crate::{JoinError, Nanos, Shutdown};

pub(super) fn is_not_early_and_ends(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    let begin = handle.ground().now();
    let sleeper = handle.clone();
    let task = handle.spawn_async(async move { sleeper.sleep(Duration::from_millis(3)).await });
    task.join().expect("the sleeper returns");
    let slept = handle.ground().now().saturating_since(begin);
    assert!(slept >= Duration::from_millis(3), "woke after {slept:?}");
    handle.block_on(handle.sleep(Duration::from_millis(1)));
    Ok(())
}

pub(super) fn extreme_deadlines(make: Make<'_>, _: &Config) -> Outcome {
    let handle = make();
    // The past and now are ready at once.
    handle.block_on(handle.sleep_until(Nanos(0)));
    handle.block_on(handle.sleep(Duration::ZERO));
    // The end of time saturates instead of wrapping around into the past.
    let endless = handle.sleep(Duration::MAX);
    assert_eq!(endless.deadline(), Nanos::MAX);
    if handle.caps().native_futures {
        let mut endless = pin!(endless);
        assert!(
            endless
                .as_mut()
                .poll(&mut Context::from_waker(&handle.ground().unparker()))
                .is_pending(),
            "a sleep without end is not ready"
        );
        let sleeper = handle.clone();
        let task = handle.spawn_async(async move { sleeper.sleep(Duration::MAX).await });
        let _ = handle.shutdown(Shutdown::Deadline(Duration::from_millis(5)));
        assert!(
            matches!(task.join(), Err(JoinError::Cancelled)),
            "shut down while it slept"
        );
    }
    Ok(())
}
