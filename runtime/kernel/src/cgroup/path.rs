//! Paths of cgroups.

/// Longest name of a directory (NAME_MAX).
const LONGEST_NAME: usize = 255;

/// `path` without its leading slash, where it names a cgroup below a mount point and nothing else.
///
/// Paths of tasks come from the unprivileged process, so one with `..` in it must not lead the reader to another file.
/// There are no links inside a cgroup file system, so looking at the text is enough.
///
/// # Errors
/// What is wrong with it, in words for an operator.
pub fn relative_cgroup_path(path: &str) -> Result<&str, &'static str> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    if relative.is_empty() {
        return Ok(relative);
    }
    if relative.contains(char::is_control) {
        return Err("it holds a control character");
    }
    for name in relative.split('/') {
        match name {
            "" => return Err("a name in it is empty"),
            long if long.len() > LONGEST_NAME => return Err("a name in it is longer than 255 bytes"),
            "." | ".." => return Err("it leads elsewhere"),
            _ => {}
        }
    }
    Ok(relative)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/a/b.slice", Ok("a/b.slice"))]
    #[case("a", Ok("a"))]
    #[case("/", Ok(""))]
    #[case("/a..b/...", Ok("a..b/..."))]
    #[case("//a", Err("a name in it is empty"))]
    #[case("/a/", Err("a name in it is empty"))]
    #[case("/a/../../etc", Err("it leads elsewhere"))]
    #[case("./a", Err("it leads elsewhere"))]
    #[case("/a\0", Err("it holds a control character"))]
    #[case("/a\nb", Err("it holds a control character"))]
    #[case(&format!("/a/{}", "x".repeat(255)), Ok(&*format!("a/{}", "x".repeat(255))))]
    #[case(&"x".repeat(300), Err("a name in it is longer than 255 bytes"))]
    fn paths(#[case] path: &str, #[case] expected: Result<&str, &str>) {
        assert_eq!(relative_cgroup_path(path), expected);
    }
}
