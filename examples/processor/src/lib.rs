//! The class `processor`, whose hook and method are async: while they wait for calls of others, nothing is held up.

use wasmhost_guest::prelude::*;

/// A class that keeps what it has once asked others for.
#[class(memory = "1GiB")]
mod processor {
    use futures_util::future::try_join_all;

    use crate::square;

    /// Numbers whose squares are in the cache.
    const CACHED: i64 = 10;

    pub struct Processor {
        cache: Vec<i64>,
    }

    impl Processor {
        #[enter]
        async fn my_enter_method() -> Result<Self> {
            Ok(Self { cache: load_cache().await? })
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

    /// Asks for all at once: each call runs in an instance of its own.
    async fn load_cache() -> Result<Vec<i64>> {
        Ok(try_join_all((0..CACHED).map(|x| square::call(x).into_future())).await?)
    }
}

#[function]
fn square(x: i64) -> Result<i64> {
    println!("squaring {x}");
    x.checked_mul(x).ok_or_else(|| error!("the square of {x} is too large"))
}

#[main]
async fn main(#[default(123)] x: i64) -> Result<i64> {
    Ok(processor::call().run(x).await?)
}
