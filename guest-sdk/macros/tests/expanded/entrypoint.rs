/// Adds.
#[main(memory = "64MiB")]
async fn main(
    /// The first.
    foo: i64,
    #[default("none")] bar: String,
) -> Result<String> {
    Ok(format!("{foo} {bar}"))
}
