//! Serves the promise that calls that wait need nothing async: this component runs on the engine without it.

use wasmhost_guest::prelude::*;

#[function]
fn square(x: i64) -> i64 {
    x * x
}

#[class]
mod sum {
    use super::square;

    #[method]
    fn of_squares(numbers: Vec<i64>) -> Result<i64> {
        let mut sum = 0;
        for number in numbers {
            sum += square::call(number).wait()?;
        }
        Ok(sum)
    }

    #[method]
    fn by_name(number: i64) -> Result<i64> {
        Ok(wasmhost_guest::call("square").method("square").argument("x", number).wait()?)
    }
}
