//! The class `processor`, whose hook and method are async: while they wait, the thread that runs them does other things.

use wasmhost_guest::prelude::*;

/// A class that loads a cache, and asks others for what is not in there.
#[class(memory = "1GiB")]
mod processor {
    use wasip3::clocks::monotonic_clock;

    use crate::square;

    /// Numbers whose squares are in the cache.
    const CACHED: i64 = 10;

    const MOMENT_NANOSECONDS: u64 = 10_000_000;

    pub struct Processor {
        cache: Vec<i64>,
    }

    impl Processor {
        #[enter]
        async fn my_enter_method() -> Self {
            println!("loading the cache");
            Self { cache: load_cache().await }
        }

        /// Squares `x`.
        #[method]
        async fn run(&self, x: i64) -> Result<i64> {
            let cached = usize::try_from(x).ok().and_then(|x| self.cache.get(x));
            match cached {
                Some(square) => Ok(*square),
                None => Ok(square::call(x).await?),
            }
        }
    }

    /// Takes a moment, as caches do that come from elsewhere.
    async fn load_cache() -> Vec<i64> {
        monotonic_clock::wait_for(MOMENT_NANOSECONDS).await;
        (0..CACHED).map(|x| x * x).collect()
    }
}

#[function]
fn square(x: i64) -> Result<i64> {
    println!("squaring {x}");
    x.checked_mul(x).ok_or_else(|| error!("the square of {x} is too large"))
}

#[main]
async fn main() -> Result<i64> {
    Ok(processor::call().run(123).await?)
}
