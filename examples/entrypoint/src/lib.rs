//! An entrypoint, `main`, and beside it one method of the class `entrypoint`. What `main` prints goes to the terminal,
//! what it returns is the command's result.

wit_bindgen::generate!({ path: "wit" });

/// The longest text that `repeat` makes.
const MAX_BYTES: usize = 64 * 1024;

struct Entrypoint;

impl Guest for Entrypoint {
    fn main(foo: i64, bar: String) -> Result<String, String> {
        let times = u32::try_from(foo).map_err(|_| format!("foo is {foo}, and should be from 0 to {}", u32::MAX))?;
        println!("running main with foo={foo}, bar={bar}");
        Self::repeat(bar, times)
    }

    fn repeat(text: String, times: u32) -> Result<String, String> {
        let times = times as usize;
        match text.len().checked_mul(times) {
            Some(bytes) if bytes <= MAX_BYTES => Ok(text.repeat(times)),
            _ => Err(format!("{times} times `{text}` is longer than {MAX_BYTES} bytes")),
        }
    }
}

export!(Entrypoint);
