use std::fs;
use std::time::Duration;

use super::*;

async fn soon(watch: &mut FileWatch) -> bool {
    tokio::time::timeout(Duration::from_secs(5), watch.changed())
        .await
        .is_ok_and(|seen| seen.is_ok())
}

#[tokio::test]
async fn writing_replacing_and_deleting_a_file_are_each_seen() {
    let directory =
        std::env::temp_dir().join(format!("mainstay-file-watch-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("number");
    let mut watch = FileWatch::new([file.as_path()]).unwrap();
    fs::write(&file, "1").unwrap();
    assert!(soon(&mut watch).await, "written");
    fs::write(directory.join("new"), "2").unwrap();
    assert!(soon(&mut watch).await, "another file of the directory");
    fs::rename(directory.join("new"), &file).unwrap();
    assert!(soon(&mut watch).await, "replaced");
    fs::remove_file(&file).unwrap();
    assert!(soon(&mut watch).await, "deleted");
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_directory_that_comes_later_is_watched_from_then_on() {
    let directory =
        std::env::temp_dir().join(format!("mainstay-file-later-{}", std::process::id()));
    let file = directory.join("number");
    let mut watch = FileWatch::new([file.as_path()]).unwrap();
    assert!(watch.watch_missing());
    fs::create_dir_all(&directory).unwrap();
    assert!(!watch.watch_missing());
    fs::write(&file, "1").unwrap();
    assert!(soon(&mut watch).await);
    fs::remove_dir_all(&directory).unwrap();
}
