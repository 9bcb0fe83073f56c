#!/bin/sh
# Install the programs the tests talk to, where that is possible; otherwise say exactly what to install.
set -e
need=""
command -v /usr/bin/storescu >/dev/null && command -v dsrdump >/dev/null || need="$need dcmtk"
command -v Orthanc >/dev/null || [ -x /usr/sbin/Orthanc ] || need="$need orthanc"
[ -n "$(find /usr/share/orthanc /usr/lib -name 'libOrthancDicomWeb.so*' 2>/dev/null | head -1)" ] || need="$need orthanc-dicomweb"
command -v dciodvfy >/dev/null || need="$need dicom3tools"
[ -f /usr/share/java/pixelmed.jar ] && command -v java >/dev/null || need="$need pixelmed-apps"
# A test starts PixelMed over many files by a source file of its own, which takes the compiler.
command -v java >/dev/null && java --list-modules | grep -q '^jdk.compiler@' || need="$need default-jdk-headless"
# The tests make clusters of their own as the user postgres, which the package brings.
[ -n "$(find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | head -1)" ] || need="$need postgresql"
command -v systemd-analyze >/dev/null || need="$need systemd"
# A browser that looks at the pages, letters for it, and what fetches axe-core.
command -v chromium >/dev/null || need="$need chromium"
[ -n "$(find /usr/share/fonts -name 'DejaVuSans.ttf' 2>/dev/null | head -1)" ] || need="$need fonts-dejavu-core"
command -v npm >/dev/null || need="$need npm"
[ -z "$need" ] && exit 0
if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else
  echo "The tests need programs that are not installed here. Run: apt-get install$need" >&2
  exit 1
fi
echo "installing$need"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# Services of these packages are not wanted: the tests start what they need on ports of their own.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null
for service in orthanc postgresql; do
  if command -v systemctl >/dev/null && systemctl is-active --quiet "$service" 2>/dev/null; then
    case "$need" in *" $service"*) $as_root systemctl disable --now "$service" ;; esac
  fi
done
