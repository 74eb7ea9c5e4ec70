# Wraps each page into the same head and foot.
mkdir -p public
for page in pages/*.html; do
  name=$(basename "$page")
  { echo '<!doctype html><meta charset="utf-8">'; cat "$page"; echo '<footer>built from '"${STAGEGATE_COMMIT_ID:-a work tree}"'</footer>'; } > "public/$name"
  echo "built $name"
done
