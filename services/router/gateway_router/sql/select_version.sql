SELECT version FROM router.configuration
