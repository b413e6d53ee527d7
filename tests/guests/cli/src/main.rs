//! Serves the promises about entrypoints: a `wasi:cli/run` gets its arguments raw, the environment it was granted and
//! the terminal's streams, and its exit code is the command's. With `--exit CODE` it ends with that code, of which
//! WASI 0.2 tells the host only whether it is zero; with `--fail` by a `main` that returns an error.

use std::io::Read as _;

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    for arg in &args {
        println!("arg {arg}");
    }
    let mut variables: Vec<_> = std::env::vars().collect();
    variables.sort();
    for (name, value) in variables {
        println!("env {name}={value}");
    }
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).map_err(|error| error.to_string())?;
    print!("stdin {input}");
    println!();
    eprintln!("done");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--exit", code, ..] => std::process::exit(code.parse().map_err(|_| format!("`{code}` is no exit code"))?),
        ["--fail", ..] => Err("failed on demand".to_owned()),
        _ => Ok(()),
    }
}
