"""Every SQL read behind the API and the pages, one file for each subject."""
