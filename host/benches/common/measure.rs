//! What the benches that measure one thread share: CPU time per operation, and medians.

use std::time::{Duration, Instant};

/// Nanoseconds of CPU time of this thread per operation, over at least this span and at least once.
pub(crate) async fn per_operation<F: AsyncFnMut()>(span: Duration, operation: &mut F) -> f64 {
    let started = Instant::now();
    let cpu = cpu_time();
    let mut operations = 0u32;
    loop {
        operation().await;
        operations += 1;
        if started.elapsed() >= span {
            return (cpu_time() - cpu).as_nanos() as f64 / f64::from(operations);
        }
    }
}

pub(crate) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is not negative");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("nanoseconds are below a second"))
}
