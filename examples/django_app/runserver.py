from appsvc_runtime.runserver import main
raise SystemExit(main())
