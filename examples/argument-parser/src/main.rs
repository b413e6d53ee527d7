//! A program like any other, which parses its arguments itself and then calls a class. Its `main` is `wasi:cli/run`.

use lexopt::prelude::*;
use wasmhost_guest::prelude::*;

#[function]
fn func(a: i64, b: String) {
    println!("a={a}, b={b}");
}

fn main() -> Result<()> {
    let Arguments { foo, bar } = Arguments::parse(lexopt::Parser::from_env())?;
    func::call(foo, bar).wait()?;
    Ok(())
}

/// What stands on the command line.
struct Arguments {
    foo: i64,
    bar: String,
}

impl Arguments {
    fn parse(mut parser: lexopt::Parser) -> Result<Self> {
        let (mut foo, mut bar) = (None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("foo") => foo = Some(parser.value()?.parse()?),
                Long("bar") => bar = Some(parser.value()?.string()?),
                _ => return Err(argument.unexpected().into()),
            }
        }
        let foo = foo.ok_or_else(|| error!("`--foo` is missing"))?;
        Ok(Self { foo, bar: bar.ok_or_else(|| error!("`--bar` is missing"))? })
    }
}
