//! Where the profile is: `profiles.ini` names them.

use std::path::{Path, PathBuf};

use crate::moving::read::{Text, unusable};
use crate::moving::{MovingError, Program, Surroundings};

/// Where profiles usually are: installed by the system, as a snap, as a flatpak, on a Mac.
const USUAL: [&str; 4] = [
    ".thunderbird",
    "snap/thunderbird/common/.thunderbird",
    ".var/app/org.mozilla.Thunderbird/.thunderbird",
    "Library/Thunderbird",
];

/// The `prefs.js` of a profile, of a directory of profiles, or of where they usually are.
pub(super) fn prefs(path: Option<&Path>, around: &Surroundings) -> Result<PathBuf, MovingError> {
    let directory = match path {
        Some(file) if !file.is_dir() && file.file_name().is_none_or(|it| it != "profiles.ini") => {
            return Ok(file.to_owned());
        }
        Some(file) if !file.is_dir() => file.parent().unwrap_or(file).to_owned(),
        Some(directory) if directory.join("prefs.js").exists() => {
            return Ok(directory.join("prefs.js"));
        }
        Some(directory) => directory.to_owned(),
        None => {
            let usual = USUAL.map(|it| around.home.join(it));
            match usual.iter().find(|it| it.join("profiles.ini").exists()) {
                Some(directory) => directory.clone(),
                None => {
                    return Err(MovingError::NotFound {
                        program: Program::Thunderbird,
                        looked_for: usual.to_vec(),
                    });
                }
            }
        }
    };
    let file = directory.join("profiles.ini");
    let text = Text::read(&file)?;
    match chosen(&text.text) {
        Ok(profile) => Ok(directory.join(profile).join("prefs.js")),
        Err(several) => Err(unusable(
            &file,
            format!("which profile? name its directory: {}", several.join(", ")),
        )),
    }
}

/// The profile that Thunderbird opens; else all that there are. A path that is absolute takes the place of the directory.
fn chosen(text: &str) -> Result<String, Vec<String>> {
    let mut installed = None;
    let mut usual = None;
    let mut all = Vec::new();
    let (mut section, mut path, mut default) = ("", None, false);
    // The end is like the beginning of one more section.
    for line in text.lines().map(str::trim).chain(["[end]"]) {
        if let Some(name) = line.strip_prefix('[') {
            if let Some(path) = path.take().filter(|_| section.starts_with("Profile")) {
                if default {
                    usual = Some(path);
                }
                all.push(path);
            }
            section = name.trim_end_matches(']');
            default = false;
        } else if let Some((key, value)) = line.split_once('=') {
            match (section, key) {
                (install, "Default") if install.starts_with("Install") => installed = Some(value),
                (_, "Path") => path = Some(value),
                (_, "Default") => default = value == "1",
                _ => {}
            }
        }
    }
    match (installed.or(usual), all.as_slice()) {
        (Some(path), _) | (None, &[path]) => Ok(path.to_owned()),
        _ => Err(all.into_iter().map(str::to_owned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn the_profile_that_thunderbird_opens() {
        for (text, expected) in [
            (
                "[Install1]\nDefault=b.release\nLocked=1\n[Profile0]\nPath=a\nDefault=1\n[Profile1]\nPath=b.release\n",
                Ok("b.release"),
            ),
            (
                "[Profile0]\nPath=a\n[Profile1]\nPath=b\nDefault=1\n",
                Ok("b"),
            ),
            (
                "[General]\nStartWithLastProfile=1\n\n[Profile0]\nName=x\nIsRelative=1\nPath=Profiles/a\n",
                Ok("Profiles/a"),
            ),
            (
                "[Profile0]\nPath=a\n[Profile1]\nPath=b\n",
                Err(vec!["a", "b"]),
            ),
            ("", Err(vec![])),
        ] {
            let expected = expected
                .map(str::to_owned)
                .map_err(|it: Vec<&str>| it.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(chosen(text), expected, "{text}");
        }
    }
}
