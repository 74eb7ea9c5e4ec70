echo "testing $STAGEGATE_BRANCH"
grep -q . version.txt
