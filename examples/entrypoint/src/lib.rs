//! An entrypoint, `main`, which calls classes, and functions that are classes of one method.

use wasmhost_guest::prelude::*;

/// Says the same again and again.
#[class]
mod repeater {
    /// The longest text that it makes.
    const MAX_BYTES: usize = 64 * 1024;

    pub struct Repeater {
        times: usize,
    }

    impl Repeater {
        #[enter]
        fn new(#[default(2)] times: i64) -> Result<Self> {
            let times = usize::try_from(times).map_err(|_| error!("a text cannot be repeated {times} times"))?;
            Ok(Self { times })
        }

        #[method]
        fn repeat(&self, text: String) -> Result<String> {
            let times = self.times;
            match text.len().checked_mul(times) {
                Some(bytes) if bytes <= MAX_BYTES => Ok(text.repeat(times)),
                _ => bail!("{times} times `{text}` is longer than {MAX_BYTES} bytes"),
            }
        }
    }
}

/// Puts a sign on both sides of a text.
#[class]
mod framer {
    pub struct Framer {
        sign: char,
    }

    impl Framer {
        #[enter]
        fn new(sign: char) -> Self {
            Self { sign }
        }

        #[method]
        fn frame(&self, text: String) -> String {
            format!("{0} {text} {0}", self.sign)
        }
    }
}

#[function]
fn f() {
    println!("Hello world!");
}

#[function]
fn g() {
    println!("Goodbye world!");
}

/// Runs `f`, repeats a text, and frames what came of it.
#[main]
async fn main(
    /// How often.
    foo: i64,
    /// What is repeated.
    bar: String,
) -> Result<String> {
    f::call().await?;

    let repeated = repeater::call().times(foo).repeat(bar).await?;
    println!("the repeater says {repeated}");

    let framed = framer::call().sign('*').frame(repeated).await?;
    println!("the framer says {framed}");
    Ok(framed)
}
