//! Serves the promises about bounded files where a guest uses WASI 0.3: each function that takes room, and several streams
//! into one file at the same time.

use exports::test::files_async::files::Guest;
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

wit_bindgen::generate!({ path: "wit", generate_all });

struct Files;

impl Guest for Files {
    async fn perform(steps: Vec<String>) -> Result<(), String> {
        for line in steps {
            step(&line).await.map_err(|error| format!("`{line}`: {error:?}"))?;
        }
        Ok(())
    }

    async fn together(path: String, streams: u32, bytes: u32) -> u32 {
        let root = root();
        let Ok(file) = open(&root, &path, OpenFlags::CREATE).await else { return 0 };
        let mut ends = Vec::new();
        for _ in 0..streams {
            let (mut writer, data) = wit_stream::new();
            ends.push(file.append_via_stream(data));
            wit_bindgen::spawn_local(async move {
                writer.write_all(vec![b'w'; bytes as usize]).await;
            });
        }
        let mut well = 0;
        for end in ends {
            well += u32::from(end.await.is_ok());
        }
        well
    }
}

export!(Files);

fn root() -> Descriptor {
    let (root, _) = get_directories().into_iter().next().expect("the tests give it a directory");
    root
}

async fn open(root: &Descriptor, path: &str, how: OpenFlags) -> Result<Descriptor, ErrorCode> {
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    root.open_at(PathFlags::empty(), path.to_owned(), how, flags).await
}

async fn step(line: &str) -> Result<(), ErrorCode> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| ErrorCode::Invalid);
    let root = root();
    match words[..] {
        ["write", path, offset, bytes] => {
            let file = open(&root, path, OpenFlags::CREATE).await?;
            let (mut writer, data) = wit_stream::new();
            let end = file.write_via_stream(data, number(offset)?);
            let bytes = usize::try_from(number(bytes)?).map_err(|_| ErrorCode::Overflow)?;
            writer.write_all(vec![b'w'; bytes]).await;
            drop(writer);
            end.await
        }
        ["set-size", path, bytes] => open(&root, path, OpenFlags::CREATE).await?.set_size(number(bytes)?).await,
        ["truncate", path] => open(&root, path, OpenFlags::TRUNCATE).await.map(|_| ()),
        ["make-directory", path] => root.create_directory_at(path.to_owned()).await,
        ["remove-directory", path] => root.remove_directory_at(path.to_owned()).await,
        ["unlink", path] => root.unlink_file_at(path.to_owned()).await,
        ["link", path, new] => root.link_at(PathFlags::empty(), path.to_owned(), &root, new.to_owned()).await,
        ["symlink", target, path] => root.symlink_at(target.to_owned(), path.to_owned()).await,
        ["rename", path, new] => root.rename_at(path.to_owned(), &root, new.to_owned()).await,
        _ => Err(ErrorCode::Unsupported),
    }
}
